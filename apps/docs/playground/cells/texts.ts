/** A text to read, offered by the playground. */
export interface SampleText {
  readonly id: string;
  /** What a list calls it. */
  readonly title: string;
  readonly text: string;
}

const HARBOUR = `The harbour master is called Ada Lindqvist. She keeps the key of the lighthouse in a blue tin behind the clock. Every evening, when the last ferry has left, she walks along the quay, counts the boats and writes their names into a book. Some evenings there are nine, some evenings there are forty; the book does not mind. It has a page for each day, and when it is full she buys a new one and burns the old one in the stove, because the shelf has room for a single book only.

One winter a stranger came and asked for the boat of his father. "Which year?" said Ada. He did not know. She opened the book, and there was January, February and half of March. "I can tell you every boat of this winter," she said, "and I can tell you my own name. What lies between, the stove has."`;

const DIALOGUE = `System: Answer in one short sentence. The customer is called Robin.
User: Hello, which bread do you have today?
Assistant: Rye, spelt and a white loaf, Robin.
User: Is the rye sliced?
Assistant: No, but we slice it for you.
User: And how long does it keep?
Assistant: About a week, in paper.
User: I would like two of them.
Assistant: Two loaves of rye, sliced?
User: Yes, please, and a small coffee.
Assistant: With milk?
User: Without. What do I owe you?
Assistant: Eleven euros and forty cents.
User: By the way, what is my name?
Assistant: That was said at the very beginning.`;

const COLOURS = ["red", "green", "blue", "white", "amber", "violet", "grey"];
const LINES = 200;

/** Numbered lines, as long as a stream has to be for its beginning to be far away. */
function writeLogbook(): string {
  const line = (index: number): string =>
    `Line ${index + 1}: lamp ${((index * 37) % 89) + 10} is ${COLOURS[(index * 5) % COLOURS.length] ?? ""}.`;
  return Array.from({ length: LINES }, (_, index) => line(index)).join("\n");
}

/** The texts in the order in which they are offered. */
export const SAMPLE_TEXTS: readonly SampleText[] = [
  { id: "story", title: "A short story", text: HARBOUR },
  { id: "dialogue", title: "A dialogue with turns", text: DIALOGUE },
  { id: "lines", title: "200 numbered lines", text: writeLogbook() },
];
