/** Shows a hint while a box is wider inside than outside, so that a reader knows that it scrolls sideways. */

/** The hint's element is hidden while nothing overflows. It is watched as long as `box` exists. */
export function hintAtOverflow(box, hint) {
  const show = () => (hint.hidden = box.scrollWidth <= box.clientWidth + 1);
  show();
  new ResizeObserver(show).observe(box);
}
