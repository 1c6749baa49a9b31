import type { SyntaxNode } from "@lezer/common";
import { parser } from "@lezer/javascript";

import { PolicyCodeError } from "./policy-problem.js";

/** What can be imported: package → names that it exports. */
export type KnownModules = Readonly<Record<string, readonly string[]>>;

/** A module as the body of a function that gets `__modules` and fills `__exported`. */
export interface RewrittenModule {
  /** The body. Every line of the module is the same line here. */
  readonly body: string;
  /** Names that the module exports beside its default export. */
  readonly names: readonly string[];
  /** Whether it has a default export. */
  readonly hasDefault: boolean;
  /** Line of the first place that is no JavaScript, as far as the parser sees. */
  readonly brokenLine: number | undefined;
}

/** A piece of the source, and what stands in its place. */
interface Replacement {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * Turns the source of a module into the body of a function, so that it runs where no file can be imported.
 *
 * @throws {PolicyCodeError} for an import that cannot be had here.
 */
export function rewriteModule(source: string, known: KnownModules): RewrittenModule {
  return new ModuleRewriter(source, known).rewrite();
}

class ModuleRewriter {
  readonly #source: string;
  readonly #known: KnownModules;
  readonly #replacements: Replacement[] = [];
  readonly #head: string[] = [];
  readonly #tail: string[] = [];
  readonly #names: string[] = [];
  #hasDefault = false;

  constructor(source: string, known: KnownModules) {
    this.#source = source;
    this.#known = known;
  }

  rewrite(): RewrittenModule {
    const tree = parser.parse(this.#source);
    let brokenLine: number | undefined;
    tree.iterate({
      enter: ({ type, from }) => {
        if (type.isError) brokenLine ??= this.#lineAt(from);
        if (type.name === "DynamicImport")
          throw this.#refuse(
            from,
            "import() loads a file, and there are none here: import at the top instead",
          );
      },
    });
    for (let node = tree.topNode.firstChild; node; node = node.nextSibling) {
      if (node.name === "ImportDeclaration") this.#rewriteImport(node);
      if (node.name === "ExportDeclaration") this.#rewriteExport(node);
    }
    return {
      // The first line may grow: where an error stands is told by its line alone.
      body: `${this.#head.join(" ")} ${this.#replaced()}\n${this.#tail.join("\n")}`,
      names: this.#names,
      hasDefault: this.#hasDefault,
      brokenLine,
    };
  }

  /** An import is hoisted, as in a module: all stand in front. */
  #rewriteImport(node: SyntaxNode): void {
    const from = node.getChild("String");
    if (from === null) return;
    const specifier = this.#text(from).slice(1, -1);
    const exported = Object.hasOwn(this.#known, specifier) ? this.#known[specifier] : undefined;
    if (exported === undefined) {
      const known = Object.keys(this.#known).sort().join(", ");
      throw this.#refuse(node.from, `"${specifier}" cannot be imported here; what can be is ${known}`);
    }
    const whole = JSON.stringify(specifier);
    const namespace = node.getChild("Star");
    if (namespace)
      this.#head.push(`const ${this.#text(namespace.nextSibling?.nextSibling)} = __modules[${whole}];`);
    else if (node.getChild("VariableDefinition"))
      throw this.#refuse(node.from, `${specifier} has no default export: write its names between braces`);
    const group = node.getChild("ImportGroup");
    if (group)
      this.#head.push(
        `const { ${this.#bindings(group, specifier, exported).join(", ")} } = __modules[${whole}];`,
      );
    this.#replace(node.from, node.to, ";");
  }

  #bindings(group: SyntaxNode, specifier: string, exported: readonly string[]): string[] {
    return group.getChildren("VariableDefinition").map((local) => {
      const before = local.prevSibling?.name === "as" ? local.prevSibling.prevSibling : null;
      const name = this.#text(before ?? local);
      if (!exported.includes(name)) throw this.#refuse(local.from, `${specifier} exports no "${name}"`);
      return before ? `${name}: ${this.#text(local)}` : name;
    });
  }

  #rewriteExport(node: SyntaxNode): void {
    if (node.getChild("String")) {
      throw this.#refuse(node.from, "a module cannot be exported again here: import from it instead");
    }
    const defaultKeyword = node.getChild("default");
    if (defaultKeyword) {
      this.#rewriteDefault(node, defaultKeyword);
      return;
    }
    const group = node.getChild("ExportGroup");
    if (group) {
      this.#noteGroup(group);
      this.#replace(node.from, node.to, ";");
      return;
    }
    const [keyword, declaration] = [node.firstChild, node.lastChild];
    if (!keyword || !declaration) return;
    this.#names.push(...declaration.getChildren("VariableDefinition").map((name) => this.#text(name)));
    this.#replace(keyword.from, keyword.to, ";");
  }

  /** A declaration keeps its name in the module; an expression has none. */
  #rewriteDefault(node: SyntaxNode, keyword: SyntaxNode): void {
    this.#hasDefault = true;
    const declaration = node.getChild("FunctionDeclaration") ?? node.getChild("ClassDeclaration");
    const name = declaration?.getChild("VariableDefinition");
    if (name) this.#tail.push(`__exported.default = ${this.#text(name)};`);
    this.#replace(node.from, keyword.to, name ? ";" : "__exported.default =");
    // Without a name it becomes an expression, which would go on with the next line.
    if (declaration && !name) this.#replace(declaration.to, declaration.to, ";");
  }

  /** `a, b as c, d as default`: what is exported under which name. */
  #noteGroup(group: SyntaxNode): void {
    for (const item of this.#text(group).slice(1, -1).split(",")) {
      const [local, name = local] = item.trim().split(/\s+as\s+/);
      if (local === undefined || local === "" || name === undefined) continue;
      if (name !== "default") {
        this.#names.push(name);
        continue;
      }
      this.#hasDefault = true;
      this.#tail.push(`__exported.default = ${local};`);
    }
  }

  #replace(from: number, to: number, text: string): void {
    // What is taken out leaves its line breaks behind: lines keep their numbers.
    const lineBreaks = this.#source.slice(from, to).replace(/[^\n]/g, "");
    this.#replacements.push({ from, to, text: text + lineBreaks });
  }

  #replaced(): string {
    let text = "";
    let end = 0;
    for (const replacement of this.#replacements) {
      text += this.#source.slice(end, replacement.from) + replacement.text;
      end = replacement.to;
    }
    return text + this.#source.slice(end);
  }

  #text(node: SyntaxNode | null | undefined): string {
    return node ? this.#source.slice(node.from, node.to) : "";
  }

  #lineAt(offset: number): number {
    return this.#source.slice(0, offset).split("\n").length;
  }

  #refuse(offset: number, problem: string): PolicyCodeError {
    return new PolicyCodeError(`${problem}.`, this.#lineAt(offset));
  }
}
