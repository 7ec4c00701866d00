/* SPDX-License-Identifier: MIT */
/*
 * Saves what is open and unsaved in a page of JupyterLab 4 or Notebook 7 when the server says that the session ends,
 * shows it, and tells the server (jupyter_spank_save) what could be saved.  Loaded by their pages; written as what
 * webpack would make of an extension, so that nothing has to be built.  Elsewhere it does nothing.
 */
(() => {
  'use strict';
  const NAME = 'jupyter-spank-save';
  const SCHEMA = 'https://spank-jupyter.invalid/events/save/v1';
  const AREAS = ['main', 'left', 'right', 'down']; /* of a shell, where documents may be */
  const PATHS = 64; /* of a list that is told, and */
  const PATH = 256; /* characters of one: what the server takes */
  const HALF_DAY = 43200; /* seconds: a time further away needs its date */
  let scope;

  /* A module that the page has itself. */
  const shared = async name => {
    const versions = scope[name];
    return (await versions[Object.keys(versions)[0]].get())();
  };

  /* Who we are to the server; crypto.randomUUID is not there on plain HTTP. */
  const page = Array.from(crypto.getRandomValues(new Uint8Array(16)), byte =>
    byte.toString(16).padStart(2, '0')
  ).join('');

  /* The documents with changes, each once however often it is shown. */
  const unsaved = (shell, documents) => {
    const found = new Set();
    for (const area of AREAS) {
      let widgets = [];
      try {
        widgets = Array.from(shell.widgets(area));
      } catch (error) {
        /* not an area of this shell */
      }
      for (const widget of widgets) {
        const context = documents.contextForWidget(widget);
        /* What several edit together the server saves. */
        if (context && context.model.dirty && !context.model.collaborative) {
          found.add(context);
        }
      }
    }
    return found;
  };

  /* Rejects where the document cannot be saved, or its user does not want to; never settles while a dialog waits. */
  const save = async context => {
    if (!context.contentsModel || !context.contentsModel.writable) {
      throw new Error(`${context.path} is read-only`);
    }
    await context.save();
  };

  const cut = contexts => Array.from(contexts, context => context.path.slice(0, PATH)).slice(0, PATHS);

  /* Saves them all at once, since one may wait for its user, and says after each how it is; resolves at the end. */
  const saveAll = async (contexts, tell) => {
    const pending = new Set(contexts);
    const failed = new Set();
    let saved = 0;
    let telling = null;
    let isNews = false;

    /* One word after the other, so that the last one counts, with as much in it as there is by then. */
    const say = async () => {
      do {
        isNews = false;
        await tell({ saved, failed: cut(failed), pending: cut(pending) });
      } while (isNews);
      telling = null;
    };
    const report = () => {
      isNews = true;
      telling = telling || say();
      return telling;
    };

    report();
    await Promise.all(
      Array.from(contexts, async context => {
        try {
          await save(context);
          saved += 1;
        } catch (error) {
          failed.add(context);
        }
        pending.delete(context);
        report();
      })
    );
    await telling;
    return { saved, failed };
  };

  const clock = seconds => {
    const time = new Date(1000 * seconds);
    const isNear = Math.abs(seconds - Date.now() / 1000) < HALF_DAY;
    return isNear ? time.toLocaleTimeString() : time.toLocaleString();
  };

  const outcome = ({ saved, failed }) => {
    if (failed.size) {
      const [first] = failed;
      const more = failed.size > 1 ? ` and ${failed.size - 1} more` : '';
      return `NOT saved: ${first.path}${more}`;
    }
    return saved ? `${saved} document${saved > 1 ? 's are' : ' is'} saved` : 'nothing was unsaved';
  };

  const follow = (app, documents, Notification, ServerConnection) => {
    const settings = app.serviceManager.serverSettings;
    let shown; /* the notification */

    const tell = async (round, words) => {
      try {
        await ServerConnection.makeRequest(
          `${settings.baseUrl}api/spank-jupyter/saved`,
          { method: 'POST', body: JSON.stringify({ round, page, ...words }) },
          settings
        );
      } catch (error) {
        console.warn(`${NAME}: ${error}`); /* the server has gone already */
      }
    };

    const show = (message, type) => {
      if (shown) {
        Notification.dismiss(shown);
      }
      shown = Notification.emit(message, type, { autoClose: false });
    };

    app.serviceManager.events.stream.connect(async (_, event) => {
      if (event.schema_id !== SCHEMA) {
        return;
      }
      const words = event.why === 'warn' ? `The job ends at ${clock(event.end)}` : 'The session ends now';
      const contexts = unsaved(app.shell, documents);
      const done = saveAll(contexts, state => tell(event.round, state));
      show(contexts.size ? `${words}: saving what is open` : words, 'warning');
      const result = await done;
      show(`${words}: ${outcome(result)}`, result.failed.size ? 'error' : 'warning');
    });
  };

  const makePlugin = IDocumentManager => ({
    id: `${NAME}:save`,
    description: 'Saves what is open before the Slurm job ends',
    autoStart: true,
    optional: [IDocumentManager],
    activate: async (app, documents) => {
      const { Notification } = await shared('@jupyterlab/apputils');
      const { ServerConnection } = await shared('@jupyterlab/services');
      /* JupyterLab 3 has neither events nor notifications. */
      if (documents && Notification && app.serviceManager.events) {
        follow(app, documents, Notification, ServerConnection);
      }
    }
  });

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: given => {
      scope = given;
    },
    get: async module => {
      if (module !== './extension') {
        throw new Error(`${NAME} has no ${module}`);
      }
      const { IDocumentManager } = await shared('@jupyterlab/docmanager');
      return () => ({ __esModule: true, default: makePlugin(IDocumentManager) });
    }
  };
})();
