/** Of this tab: it outlives a page that crashed, and no other tab sees it. */
const KEY = "kvpolicy.your-policy.run";

/** Notes that a run is under way: it is still noted when the page ends with it. */
export function noteRun(storage: () => Pick<Storage, "setItem">): void {
  try {
    storage().setItem(KEY, "1");
  } catch {
    // A browser that keeps nothing: the code is not kept either.
  }
}

/** Takes the note away: the run has ended, or the reader has left it. */
export function forgetRun(storage: () => Pick<Storage, "removeItem">): void {
  try {
    storage().removeItem(KEY);
  } catch {
    // There is none.
  }
}

/** Whether the page ended while a run was under way: to run the same code unasked could end it again. */
export function hasUnendedRun(storage: () => Pick<Storage, "getItem">): boolean {
  try {
    return storage().getItem(KEY) !== null;
  } catch {
    return false;
  }
}
