// A classic script in the head, before the style sheets: the kept choice of colours is there before the first
// paint. shell.js lets the choice be changed.
(() => {
  try {
    const kept = localStorage.getItem("theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch {
    // Storage is refused (a private window, a policy): the system's theme holds.
  }
})();
