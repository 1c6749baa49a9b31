import { indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { HighlightStyle, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Prec } from "@codemirror/state";
import { keymap } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup, EditorView } from "codemirror";

import type { PolicyProblem } from "./policy-problem.js";

/** What an editor is made of. */
export interface EditorOptions {
  /** Where it goes. */
  readonly parent: HTMLElement;
  /** The code that it begins with. */
  readonly source: string;
  /** What it is called, for those who cannot see it. */
  readonly label: string;
  /** Id of the element that says how to leave it. */
  readonly describedBy: string;
  /** Called with the code after every change, whoever made it. */
  readonly onChange: (source: string) => void;
}

/** An editor of JavaScript. */
export interface Editor {
  /** Puts other code in place of what is there; it can be undone. */
  setSource(source: string): void;
  /** Marks the line of a problem; `undefined` takes the mark away. */
  markProblem(problem: PolicyProblem | undefined): void;
  /** Goes to a line. */
  goToLine(line: number): void;
  dispose(): void;
}

/** Colours are variables of the page: they follow its theme without a word. */
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "var(--code-keyword)" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--code-string)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.comment], color: "var(--code-comment)", fontStyle: "italic" },
  {
    tag: [tags.function(tags.variableName), tags.function(tags.propertyName)],
    color: "var(--code-function)",
  },
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: "var(--code-property)" },
  { tag: [tags.invalid], color: "var(--pg-danger)" },
]);

/** Makes an editor. */
export function createEditor({ parent, source, label, describedBy, onChange }: EditorOptions): Editor {
  const view = new EditorView({
    parent,
    doc: source,
    extensions: [
      // The page runs the code with these keys: the basic setup would insert a line.
      Prec.highest(keymap.of([{ key: "Mod-Enter", run: () => true }])),
      basicSetup,
      keymap.of([indentWithTab]),
      javascript(),
      indentUnit.of("  "),
      syntaxHighlighting(colours),
      lintGutter(),
      EditorView.contentAttributes.of({
        "aria-label": label,
        "aria-describedby": describedBy,
        tabindex: "0",
      }),
      EditorView.updateListener.of(({ docChanged, state }) => {
        if (docChanged) onChange(state.doc.toString());
      }),
    ],
  });
  const lineOf = (line: number): ReturnType<typeof view.state.doc.line> =>
    view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines));
  return {
    setSource: (next) => {
      view.dispatch({
        changes: { from: 0, to: view.state.doc.length, insert: next },
        selection: { anchor: 0 },
      });
    },
    markProblem: (problem) => {
      const diagnostics =
        problem?.line === undefined ? [] : [{ ...boundsOf(lineOf(problem.line)), message: problem.message }];
      view.dispatch(
        setDiagnostics(
          view.state,
          diagnostics.map((diagnostic) => ({ ...diagnostic, severity: "error" as const })),
        ),
      );
    },
    goToLine: (line) => {
      view.dispatch({ selection: { anchor: lineOf(line).from }, scrollIntoView: true });
      view.focus();
    },
    dispose: () => {
      view.destroy();
    },
  };
}

/** A line without the spaces in front of it. */
function boundsOf({ from, to, text }: { from: number; to: number; text: string }): {
  from: number;
  to: number;
} {
  return { from: Math.min(to, from + text.length - text.trimStart().length), to };
}
