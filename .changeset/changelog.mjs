/*
 * What `changeset version` writes into the changelogs: the words of the changesets, and no list of dependencies that moved along. All packages
 * are released together, so a package that nothing has changed in says so.
 */

/*
 * Changes of the package whose section is being put together. changesets calls `getReleaseLine` for all of them and then
 * `getDependencyReleaseLine`, before it goes on to the next package.
 */
let ownChanges = 0;

async function getReleaseLine({ summary }) {
  ownChanges += 1;
  const [first, ...rest] = summary.trim().split("\n");
  const indented = rest.map((line) => `  ${line}`.trimEnd());
  return [`- ${first.trimEnd()}`, ...indented].join("\n");
}

async function getDependencyReleaseLine() {
  const isUnchanged = ownChanges === 0;
  ownChanges = 0;
  return isUnchanged ? "- No changes of its own: released with the other packages." : "";
}

export default { getReleaseLine, getDependencyReleaseLine };
