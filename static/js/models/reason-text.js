/** Why there is no session, as text. Pure. */

/** The reasons that a page finds itself; the others are codes of the service. */
const OWN_REASONS = {
  no_link: "closed.no_link",
  lost: "closed.lost",
  bad_name: "closed.bad_name",
  ended: "closed.ended",
  empty: "closed.empty",
};

/** The text of a reason of the SessionClient, {code, detail}; "" where there is none (`code` is ""). */
export function reasonText({ code, detail }, texts) {
  if (code === "") return "";
  return code in OWN_REASONS ? texts.text(OWN_REASONS[code]) : texts.coded({ code, detail });
}
