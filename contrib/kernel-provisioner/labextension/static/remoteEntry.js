/* SPDX-License-Identifier: MIT */
/*
 * Shows in JupyterLab and Notebook why the Slurm job of a kernel waits, as a notification that
 * follows the server's events of waiting.py.  Loaded by their pages; written as what webpack
 * would make of an extension, so that nothing has to be built.
 */
(() => {
  'use strict';
  const NAME = 'jupyter-spank-provisioner';
  const SCHEMA = 'https://spank-jupyter.invalid/events/kernel_job/v1';
  let scope;

  /* A module that the page has itself. */
  const shared = async name => {
    const versions = scope[name];
    return (await versions[Object.keys(versions)[0]].get())();
  };

  const follow = (app, Notification) => {
    const shown = new Map(); /* by the kernel's id */

    const onEvent = (_, event) => {
      if (event.schema_id !== SCHEMA) {
        return;
      }
      const message = `${event.kernel_name}: ${event.message}`;
      const id = shown.get(event.kernel_id);
      if (event.state !== 'waiting') {
        shown.delete(event.kernel_id);
        if (id) {
          Notification.dismiss(id);
        }
        return;
      }
      if (!id || !Notification.update({ id, message, type: 'in-progress', autoClose: false })) {
        shown.set(
          event.kernel_id,
          Notification.emit(message, 'in-progress', { autoClose: false })
        );
      }
    };
    app.serviceManager.events.stream.connect(onEvent);
  };

  const plugin = {
    id: `${NAME}:waiting`,
    description: 'Shows why the Slurm job of a kernel waits',
    autoStart: true,
    activate: async app => {
      const { Notification } = await shared('@jupyterlab/apputils');
      follow(app, Notification);
    }
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init: given => {
      scope = given;
    },
    get: async module => {
      if (module !== './extension') {
        throw new Error(`${NAME} has no ${module}`);
      }
      return () => ({ __esModule: true, default: plugin });
    }
  };
})();
