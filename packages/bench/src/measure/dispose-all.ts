/**
 * Disposes several one after the other, all of them also when one fails.
 *
 * @throws {unknown} What the first of those that failed rejects with, after the last was disposed.
 */
export async function disposeAll(disposables: readonly { dispose(): Promise<void> }[]): Promise<void> {
  const disposals: Promise<void>[] = [];
  for (const disposable of disposables) {
    const disposal = disposable.dispose();
    disposals.push(disposal);
    await Promise.allSettled([disposal]);
  }
  await Promise.all(disposals);
}
