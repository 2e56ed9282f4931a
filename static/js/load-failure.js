// A classic script in the head, loaded before everything else: it shows a banner where a script of the page fails to
// load. Browsers abort loading when the network changes, and no module of the page runs then.
(() => {
  // shell.js shows the content once it is filled in, so that nothing moves while it loads.
  document.documentElement.dataset.loading = "";

  const showFailure = () => {
    document.documentElement.dataset.loading = "long"; // no shapes either: nothing will fill them
    const live = document.getElementById("live");
    if (live !== null) {
      live.dataset.state = "stale";
      document.getElementById("live-text").textContent = live.dataset.notLoaded;
    }
    document.getElementById("load-again").addEventListener("click", () => location.reload());
    document.getElementById("not-loaded").hidden = false;
  };

  // Such errors do not bubble. A missing style sheet or preloaded module only costs looks or time.
  addEventListener("error", (event) => {
    if (!(event.target instanceof HTMLScriptElement)) return;
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", showFailure, { once: true });
    else showFailure();
  }, { capture: true });
})();
