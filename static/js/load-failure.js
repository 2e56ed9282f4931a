// A classic script in the head, before all else that is loaded: it says so where something of the page is not.
// Browsers give up what they are loading when the network changes, and nothing else of the page runs then.
(() => {
  // shell.js shows what is filled in once it is, so that nothing is pushed away by what comes later.
  document.documentElement.dataset.loading = "";

  const tell = () => {
    document.documentElement.dataset.loading = "long"; // no shapes either: nothing comes
    const live = document.getElementById("live");
    if (live !== null) {
      live.dataset.state = "stale";
      document.getElementById("live-text").textContent = "not loaded";
    }
    document.getElementById("load-again").addEventListener("click", () => location.reload());
    document.getElementById("not-loaded").hidden = false;
  };

  // Such errors do not bubble. A style sheet or a preloaded module that is missing costs looks or time alone.
  addEventListener("error", (event) => {
    if (!(event.target instanceof HTMLScriptElement)) return;
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", tell, { once: true });
    else tell();
  }, { capture: true });
})();
