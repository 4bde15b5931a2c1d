// The way to the kernel, and anywidget's door.

import { mountDashboard } from "./dashboard.js";
import { keep } from "./keep.js";
import { mount, mountTurning } from "./mount.js";
import { serial } from "./nodes.js";
import { visitTransport } from "./visit.js";

const ANSWER_MS = 15_000; // a busy kernel answers between two cells; longer than that is said in words

/** Questions that wait for their answers: {id, verb, args} out, {id, ok, data, error} back. */
function asker(send, silence, ms = ANSWER_MS) {
  const waiting = new Map();
  return {
    request: (verb, args = {}) => new Promise((resolve, reject) => {
      const id = serial();
      const timer = setTimeout(() => { waiting.delete(id); reject(new Error(silence(verb, ms))); }, ms);
      waiting.set(id, { resolve, reject, timer });
      send({ id, verb, args });
    }),
    answer({ id, ok, data, error, fields }) {
      const asked = waiting.get(id);
      if (!asked) return; // another view's, or too late
      waiting.delete(id);
      clearTimeout(asked.timer);
      ok ? asked.resolve(data) : asked.reject(Object.assign(new Error(error), { fields }));
    },
    close: () => waiting.forEach(({ timer }) => clearTimeout(timer)),
  };
}

/** Through the kernel: traits bring the state, messages the log and the answers. @returns {Transport} */
export function commTransport(model, signal) {
  const client = serial(), names = ["draft", "snapshot", "events", "trouble"];
  const questions = asker((message) => model.send(message), (verb, ms) =>
    `The kernel has not answered “${verb}” for ${ms / 1000} s: it is busy with another cell, or gone. ` +
    `It may still do so. The run does not need the kernel${verb === "cancel" ? `; in a terminal: migrator cancel ${model.get("snapshot")?.id ?? ""}` : ""}.`);
  let run = "", next = -1; // the number of the line that is expected; -1: none before our own tail has come
  const hello = () => { next = -1; questions.request("hello", { client }).catch(() => {}); };
  const take = (frame, onState) => {
    if (frame.to && frame.to !== client) return;
    if (frame.to && next < 0) { // the first of our tail: the log begins anew
      [run, next] = [frame.run, frame.first + frame.lines.length];
      onState({ reset: true, lines: frame.lines, start: frame.start });
    } else if (frame.run !== run && next >= 0 && frame.first === 0) { // the panel shows another run now
      [run, next] = [frame.run, frame.lines.length];
      onState({ reset: true, lines: frame.lines, start: frame.start });
    } else if (frame.run === run && frame.first === next) {
      next += frame.lines.length;
      onState({ lines: frame.lines, start: frame.start });
    } else if (next >= 0 && frame.first > next) hello(); // some were lost on the way
  };
  return {
    subscribe(onState) {
      const give = (...which) => onState(Object.fromEntries(which.map((name) => [name, model.get(name)])));
      const heard = (message) => (message.type === "reply" ? questions.answer(message) : message.type === "log" && take(message, onState));
      const changed = names.map((name) => [`change:${name}`, () => give(name)]);
      model.on("msg:custom", heard);
      for (const [name, act] of changed) model.on(name, act);
      signal.addEventListener("abort", () => {
        model.off("msg:custom", heard);
        for (const [name, act] of changed) model.off(name, act);
      });
      give(...names);
      hello();
    },
    request: questions.request,
    close: questions.close,
  };
}

/** All runs by the kernel; the one that is opened becomes the model's. */
function all(model, el, signal) {
  const way = commTransport(model, signal);
  way.subscribe(() => {}); // answers come by it; what a run shows, its own view takes
  const view = (box, id, life) => way.request("open", { id }).then(
    () => life.aborted || mount(box, commTransport(model, life), life), (error) => box.append(error.message));
  mountDashboard(el, {
    read: (query) => way.request("runs", query), view,
    forms: () => way.request("migrations"), stakes: (asked) => way.request("stakes", asked), launch: (asked) => way.request("launch", asked),
  }, signal);
}

/** One run, and below it those before it. */
function one(model, el, signal) {
  const way = commTransport(model, signal);
  const view = (box, id, life) => mountTurning(box, id, life, (run, turn) => visitTransport(way.request, run, turn));
  mount(el, way, signal, { read: (query) => way.request("runs", query), view });
}

/** anywidget's door: one view of a model. */
const render = ({ model, el }) => keep(model, el, model.get("dashboard") ? all : one);
export default { render };
