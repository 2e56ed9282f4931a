// A classic script in the head, before the style sheets: the kept choices of colours and of large type are there
// before the first paint. shell.js and components/translation/large-type.js let them be changed.
(() => {
  try {
    const kept = localStorage.getItem("theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
    if (localStorage.getItem("translation:large") === "true") document.documentElement.dataset.large = "";
  } catch {
    // Storage is refused (a private window, a policy): the system's theme holds.
  }
})();
