/** QR codes as a size and an SVG path. Pure. The encoder is vendored (static/vendor/qrcode-generator). */

import { qrcode } from "../../vendor/qrcode-generator/qrcode.js";

/** The border of light modules that readers need (ISO/IEC 18004, 9.1). */
export const BORDER = 4;
/** Restores 15 % of the modules: enough for a screen that is photographed from the side, with few modules. */
const CORRECTION = "M";

/**
 * The QR code of an ASCII text, such as an address: {size, path} in modules, border included. Each run of dark
 * modules in a row is one rectangle of the path. Throws if the text is too long for a QR code.
 */
export function qrCode(text) {
  const code = qrcode(0, CORRECTION);
  code.addData(text, "Byte");
  code.make();
  const count = code.getModuleCount();
  let path = "";
  for (let row = 0; row < count; row += 1) {
    let start = null;
    for (let column = 0; column <= count; column += 1) {
      const isDark = column < count && code.isDark(row, column);
      if (isDark) start ??= column;
      else if (start !== null) {
        path += `M${start + BORDER} ${row + BORDER}h${column - start}v1h${start - column}z`;
        start = null;
      }
    }
  }
  return { size: count + 2 * BORDER, path };
}
