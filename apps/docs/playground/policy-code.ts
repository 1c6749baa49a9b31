import { listedTexts, POLICY_KINDS } from "./policy-kinds.js";
import type { PolicySetting } from "./policy-setting.js";

/** Names that the code takes from a package. */
type Imports = ReadonlyMap<string, readonly string[]>;

/** The TypeScript that opens a stream with the policy of a setting: what a reader copies. */
export function codeOf(setting: PolicySetting, budget: number): string {
  const imports = [...importsOf(setting)].sort(([one], [other]) => (one < other ? -1 : 1));
  return [
    ...imports.map(([from, names]) => `import { ${names.join(", ")} } from "${from}";`),
    "",
    `const policy = ${expressionOf(setting)};`,
    `await using stream = await openStream(model, { policy, budget: ${budget} });`,
    "",
  ].join("\n");
}

function importsOf({ policy, options, wrappers = [] }: PolicySetting): Imports {
  const isDefaultList = listedTexts(options["separatorTokens"]).length === 0;
  const own = policy === "separator" && isDefaultList ? ["isSeparator", "separator"] : [factoryOf(policy)];
  const imports = new Map([
    ["@kvpolicy/llamacpp-adapter", policy === "separator" ? ["findTokens", "openStream"] : ["openStream"]],
    [`@kvpolicy/${policy}`, own],
  ]);
  if (wrappers.includes("pinned")) imports.set("@kvpolicy/pinned", ["pinned"]);
  if (wrappers.includes("turn-aligned")) imports.set("@kvpolicy/turn-aligned", ["turnAligned"]);
  return imports;
}

/** The policy as an expression. */
function expressionOf({ policy, options, wrappers = [] }: PolicySetting): string {
  const { separatorTokens, ...others } = options;
  const parts = Object.entries(others).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  if (policy === "separator") parts.unshift(`separatorTokens: ${findTokensCall(separatorTokens)}`);
  const inner = `${factoryOf(policy)}(${parts.length === 0 ? "" : `{ ${parts.join(", ")} }`})`;
  const aligned = wrappers.includes("turn-aligned") ? `turnAligned(${inner})` : inner;
  return wrappers.includes("pinned") ? `pinned(${aligned})` : aligned;
}

function findTokensCall(tokens: number | string | undefined): string {
  const texts = listedTexts(tokens);
  if (texts.length === 0) return "findTokens(model, isSeparator)";
  return `findTokens(model, (text) => ${JSON.stringify(texts)}.includes(text.trim()))`;
}

function factoryOf(policy: string): string {
  return POLICY_KINDS.find(({ name }) => name === policy)?.factory ?? policy;
}
