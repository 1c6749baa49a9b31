import type { Promises } from "./examination.js";

/** The name says the version of the form: what another version left is not read. */
const KEY = "kvpolicy.your-policy.v1";

/** What the reader wrote. */
export interface StoredCode {
  readonly source: string;
  readonly promises: Promises;
}

/**
 * Reads what was kept; `undefined` when there is nothing, or nothing of this form. The storage is asked for here, because a browser may
 * refuse that already.
 */
export function readStoredCode(storage: () => Pick<Storage, "getItem">): StoredCode | undefined {
  try {
    const value: unknown = JSON.parse(storage().getItem(KEY) ?? "null");
    return isStoredCode(value) ? value : undefined;
  } catch {
    // Damaged, or the browser keeps nothing for this page.
    return undefined;
  }
}

/** Keeps what the reader wrote, where the browser keeps anything. */
export function storeCode(storage: () => Pick<Storage, "setItem">, code: StoredCode): void {
  try {
    storage().setItem(KEY, JSON.stringify(code));
  } catch {
    // A private window may keep nothing: the page works without.
  }
}

function isStoredCode(value: unknown): value is StoredCode {
  if (typeof value !== "object" || value === null) return false;
  const { source, promises } = value as Partial<StoredCode>;
  return (
    typeof source === "string" &&
    (["endless", "newest", "pinned"] as const).every((name) => typeof promises?.[name] === "boolean")
  );
}
