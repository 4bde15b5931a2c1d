// Values as Python writes them.

/** A value of JSON as a literal of Python's. */
export function literal(value) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return JSON.stringify(value); // every escape of JSON's means the same in Python
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${literal(name)}: ${literal(each)}`).join(", ")}}`;
  return String(value);
}

/** The line that starts the same, below the imports that it needs. @param {{code: {imports: string, name: string, unnamed: string[]}}} form */
export function codeOf(form, values, missing, terms) {
  const { imports, name, unnamed } = form.code, given = { ...values };
  const first = [], say = (field) => (missing.includes(field) ? "…" : literal(given[field]));
  for (const field of unnamed) {
    if (!(field in given) && !missing.includes(field)) break; // what follows would take its place
    first.push(say(field));
    delete given[field];
  }
  const others = [...missing.filter((field) => !unnamed.includes(field)), ...Object.keys(given)];
  const rest = [...new Set(others)].map((field) => `${field}=${say(field)}`);
  const ways = Object.entries(terms).map(([term, value]) => `, ${term}=${literal(value)}`).join("");
  return `${imports}\nmg.start(${name}(${[...first, ...rest].join(", ")})${ways})`;
}
