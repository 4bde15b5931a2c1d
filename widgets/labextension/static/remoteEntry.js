// How JupyterLab and Notebook find the renderer: module federation's container, written by hand.
//
// Nothing is bundled. The view itself comes from the server extension, so what is seen in the page is
// what is installed where Jupyter runs; this file only knows the two calls that Lab makes.
(() => {
  const TYPE = "application/vnd.migrator.run+json";
  const NO_EXTENSION = "The panel needs the migrator server extension, and this Jupyter server does not have it: " +
    "pip install jupyter-migrator where Jupyter runs, and start it again. The run does not need the panel.";
  let shared;

  // The newest version that is shared of a package of Lab's.
  const lab = async (name) => {
    const versions = shared[name];
    return (await versions[Object.keys(versions).at(-1)].get())();
  };

  const view = () => {
    const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
    return import(new URL(`${page.baseUrl}migrator/static/mime.js`, location.href).href);
  };

  const renderer = async () => {
    const { Widget } = await lab("@lumino/widgets");
    return class extends Widget {
      async renderModel(model) {
        const id = String(model.data[TYPE]?.run_id ?? "");
        if (this.shown === id) return; // our own write of the final record comes back here
        this.shown = id;
        this.close_?.();
        try {
          this.close_ = (await view()).open(this.node, id, model, (other) => { this.shown = other; });
        } catch {
          this.node.textContent = NO_EXTENSION;
        }
      }

      dispose() {
        this.close_?.();
        super.dispose();
      }
    };
  };

  (window._JUPYTERLAB ||= {})["jupyter-migrator"] = {
    init: (scope) => { shared = scope; },
    get: async () => {
      const Renderer = await renderer();
      const extension = {
        id: "jupyter-migrator:mime", rank: -10, dataType: "json",
        // Safe: it shows text only, and nothing happens without a click. So it is drawn in untrusted notebooks too.
        rendererFactory: { safe: true, mimeTypes: [TYPE], createRenderer: () => new Renderer() },
      };
      return () => ({ __esModule: true, default: extension });
    },
  };
})();
