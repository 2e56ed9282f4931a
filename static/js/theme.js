// A classic script in the head, before the style sheets: it applies the stored theme and large type before the first
// paint. shell.js and components/translation/large-type.js change them.
(() => {
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
    if (localStorage.getItem("translation:large") === "true") document.documentElement.dataset.large = "";
  } catch {
    // Storage is refused (a private window, a policy): the system's theme holds.
  }
})();
