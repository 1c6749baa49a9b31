/** The tab that a key leads to from the one at `index`; `undefined` for a key that leads nowhere. */
export function tabForKey(key: string, index: number, count: number): number | undefined {
  switch (key) {
    case "ArrowRight":
      return (index + 1) % count;
    case "ArrowLeft":
      return (index + count - 1) % count;
    case "Home":
      return 0;
    case "End":
      return count - 1;
    default:
      return undefined;
  }
}

/** The tab that the hash of the address opens; a hash that names none opens the first, unless one is open. */
export function tabForHash(hash: string, ids: readonly string[], isOneOpen: boolean): number | undefined {
  const index = ids.findIndex((id) => hash === `#${id}`);
  if (index >= 0) return index;
  return isOneOpen ? undefined : 0;
}
