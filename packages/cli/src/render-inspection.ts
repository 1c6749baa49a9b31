import type { ModelInspection, PolicyVerdict } from "@kvpolicy/llamacpp-adapter";

/** What is rendered: the answer, and whether it was tried. */
export interface Inspected extends ModelInspection {
  /** Name of the model; no path. */
  readonly model: string;
  /** `skipped`, `completed`, or how it ended before its time. */
  readonly probe: string;
}

/** How it is rendered. */
export interface RenderOptions {
  /** Most characters in a line. */
  readonly width: number;
}

const KINDS = [
  ["reuse", "window, sink-window"],
  ["recompute", "recompute"],
  ["dense", "dense"],
] as const;
const KIND_WIDTH = 21;
const FIDELITY_WIDTH = 13;
const LABEL_WIDTH = 12;

/** The facts of a model and a table of what each kind of policy can be, as text. */
export function renderInspection(inspected: Inspected, { width }: RenderOptions): string {
  const { reuse, selfTest } = inspected;
  const line = (label: string, text: string): string[] => indent(label.padEnd(LABEL_WIDTH), text, width);
  const metadata = Object.entries(reuse.metadata).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  return [
    ...describeFacts(inspected).flatMap(([label, text]) => line(label, text)),
    "",
    `${"policies".padEnd(KIND_WIDTH)}${"fidelity".padEnd(FIDELITY_WIDTH)}why`,
    ...KINDS.flatMap(([kind, name]) => row(name, inspected[kind], width)),
    "",
    ...(reuse.remedy ? line("remedy", reuse.remedy.text) : []),
    ...line("metadata", metadata.join(", ")),
    ...(selfTest
      ? line(
          "self-test",
          `${selfTest.passed ? "passed" : "failed"}: error ${percent(selfTest.error)} (at most ${percent(selfTest.threshold)}), ` +
            `there and back ${percent(selfTest.noise)} (at most ${percent(selfTest.largestNoise)})`,
        )
      : []),
    ...line("probe", inspected.probe),
  ].join("\n");
}

function describeFacts({ model, facts, keyType, flashAttention }: Inspected): [string, string][] {
  const { headSize, rotatedDimensions, ropeScaling, positions } = facts;
  const scaling = ropeScaling.factor === null ? "" : ` by ${ropeScaling.factor}`;
  return [
    ["model", facts.name === null ? model : `${model} (${facts.name})`],
    [
      "made of",
      `${facts.architecture}, ${count(facts.layers)} layers, ${count(facts.vocabularySize)} tokens`,
    ],
    ["trained on", `${count(facts.trainedLength)} positions`],
    [
      "positions",
      positions === "rotary"
        ? `rotary, ${count(rotatedDimensions ?? headSize.key)} of ${count(headSize.key)} numbers of a key; scaling ${ropeScaling.type}${scaling}`
        : positions,
    ],
    [
      "window",
      facts.slidingWindow === null ? "every layer sees all" : `${facts.slidingWindow} tokens in some layers`,
    ],
    ["bos", describeBos(facts)],
    ["keys", `${keyType}${flashAttention ? ", flash attention" : ""}`],
  ];
}

function describeBos({ bos, prependsBos }: ModelInspection["facts"]): string {
  if (bos === null) return "none";
  if (prependsBos === null) return `token ${bos}`;
  return `token ${bos}, ${prependsBos ? "put in front of a text" : "not put in front of a text"}`;
}

function row(name: string, { fidelity, reason }: PolicyVerdict, width: number): string[] {
  return indent(`${name.padEnd(KIND_WIDTH)}${fidelity.padEnd(FIDELITY_WIDTH)}`, reason, width);
}

/** Text behind a head, broken between words, with the lines that follow as far in. */
function indent(head: string, text: string, width: number): string[] {
  const room = Math.max(20, width - head.length);
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + 1 + word.length > room) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.map((line, index) => `${index === 0 ? head : " ".repeat(head.length)}${line}`);
}

function count(value: number | null): string {
  return value === null ? "?" : value.toLocaleString("en");
}

function percent(share: number): string {
  return `${Number((100 * share).toPrecision(2))} %`;
}
