// One action at a time.

let busy = false;

/** Make an event handler that ignores events while another one runs, so that tokens change one at a time. */
export function alone(action) {
  return async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    document.body.setAttribute("aria-busy", "true");
    try {
      await action();
    } finally {
      busy = false;
      document.body.removeAttribute("aria-busy");
    }
  };
}
