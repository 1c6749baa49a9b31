/** Loads at the first call; later ones get the same, or load again where the loading failed, which `undefined` says. */
export function loadUntilThere<Value>(
  load: () => Promise<Value | undefined>,
): () => Promise<Value | undefined> {
  let loaded: Promise<Value | undefined> | undefined;
  return () => {
    loaded ??= load().then((value) => {
      if (value === undefined) loaded = undefined;
      return value;
    });
    return loaded;
  };
}
