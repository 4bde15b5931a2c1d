// How JupyterLab and Notebook find us: module federation's container, written by hand.
//
// Nothing is bundled. The view itself comes from the server extension, so what is seen in the page is
// what is installed where Jupyter runs; this file only knows the calls that Lab makes.
(() => {
  const TYPE = "application/vnd.migrator.run+json";
  const NO_EXTENSION = "The panel needs the migrator server extension, and this Jupyter server does not have it: " +
    "pip install jupyter-migrator where Jupyter runs, and start it again. The run does not need the panel.";
  const OPEN = "migrator:open", NOTIFY = "apputils:notify", RENEW = "apputils:update-notification", DISMISS = "apputils:dismiss-notification";
  let shared;

  // The newest version that is shared of a package of Lab's.
  const lab = async (name) => {
    const versions = shared[name];
    return (await versions[Object.keys(versions).at(-1)].get())();
  };
  const token = (name, what) => lab(name).then((found) => found[what], () => null); // Notebook has no launcher

  const view = () => {
    const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    return import(new URL(`${page.baseUrl}migrator/static/mime.js`, location.href).href);
  };

  const renderer = async () => {
    const { Widget } = await lab("@lumino/widgets");
    return class extends Widget {
      async renderModel(model) {
        this.model = model;
        const told = model.data[TYPE]?.run_id, id = typeof told === "string" ? told : "?"; // "": all runs
        if (this.shown === id) return; // our own write of the final record comes back here
        // A kernel that knows only the plan writes its end down, and the page has turned to what was made of it.
        if (this.left?.has(id)) return model.setData({ data: { ...model.data, [TYPE]: { run_id: this.shown } } });
        this.shown = id;
        this.close_?.();
        try {
          this.close_ = (await view()).open(this.node, id, this.newest, (other) => {
            (this.left ??= new Set()).add(this.shown);
            this.shown = other;
          });
        } catch {
          this.node.textContent = NO_EXTENSION;
        }
      }

      // A kernel's update of the output comes with another model; what was opened before writes into that one.
      get newest() {
        const of = this;
        return { get data() { return of.model.data; }, setData: (options) => of.model.setData(options) };
      }

      dispose() {
        this.close_?.();
        super.dispose();
      }
    };
  };

  const mimeExtension = async () => {
    const Renderer = await renderer();
    return {
      id: "jupyter-migrator:mime", rank: -10, dataType: "json",
      // Safe: it shows text only, and nothing happens without a click. So it is drawn in untrusted notebooks too.
      rendererFactory: { safe: true, mimeTypes: [TYPE], createRenderer: () => new Renderer() },
    };
  };

  // A tab of Lab's with all runs, by the launcher and by the command palette.
  const extension = async () => {
    const [{ Widget }, ILauncher, ICommandPalette] = await Promise.all(
      [lab("@lumino/widgets"), token("@jupyterlab/launcher", "ILauncher"), token("@jupyterlab/apputils", "ICommandPalette")]);
    const optional = [ILauncher, ICommandPalette];
    const tab = () => {
      const widget = new Widget(), life = new AbortController();
      widget.id = "migrator-runs";
      Object.assign(widget.title, { label: "Migrations", closable: true });
      Object.assign(widget.node.style, { overflow: "auto", padding: "12px", background: "var(--jp-layout-color1)" });
      widget.disposed.connect(() => life.abort());
      widget.board = view().then((found) => found.openDashboard(widget.node, () => {}, life.signal));
      widget.board.catch(() => { widget.node.textContent = NO_EXTENSION; });
      return widget;
    };
    return {
      id: "jupyter-migrator:runs", autoStart: true, optional: optional.filter(Boolean),
      activate: (app, ...given) => {
        const found = (wanted) => (wanted ? given[optional.filter(Boolean).indexOf(wanted)] : null);
        let open = null;
        app.commands.addCommand(OPEN, {
          label: "Migrations", caption: "All runs, live and past",
          execute: async (args) => {
            if (!open || open.isDisposed) app.shell.add((open = tab()), "main");
            app.shell.activateById(open.id);
            if (typeof args.run === "string") (await open.board).draw(args.run); // "": the list
          },
        });
        const notify = async ({ run, message, type, autoClose, afresh }, at) => {
          const how = { autoClose, actions: [{ label: "Show", commandId: OPEN, args: { run } }] };
          if (!app.commands.hasCommand(NOTIFY)) return "";
          // Closed, it is still in Lab's centre: whether it is seen, the page alone tells.
          if (at && !document.getElementById(at)) return "";
          if (at && !afresh) return (await app.commands.execute(RENEW, { id: at, message, type, ...how })) ? at : "";
          // Lab goes on counting what was to close by itself. It is not renewed before: Lab does that a moment later, and
          // one that goes meanwhile would come back.
          if (at) await app.commands.execute(DISMISS, { id: at });
          return app.commands.execute(NOTIFY, { message, type, options: how });
        };
        view().then((found) => found.watchEnds(notify, new AbortController().signal), () => {}); // without our extension there is nothing to watch
        found(ILauncher)?.add({ command: OPEN, category: "Other", rank: 20 });
        found(ICommandPalette)?.addItem({ command: OPEN, category: "Migrations" });
      },
    };
  };

  (window._JUPYTERLAB ||= {})["jupyter-migrator"] = {
    init: (scope) => { shared = scope; },
    get: async (module) => {
      const made = await (module === "./extension" ? extension() : mimeExtension());
      return () => ({ __esModule: true, default: made });
    },
  };
})();
