import type { ChatQuestion } from "./read-questions.js";

/** Questions of two turns on plain subjects, three of each of eight categories. */
export const builtInQuestions: readonly ChatQuestion[] = [
  [
    "household",
    "My wooden kitchen table has white rings from hot cups. How can I get rid of them?",
    "And how do I keep new rings from coming when guests forget the coasters?",
  ],
  [
    "household",
    "The window in my bedroom is wet on the inside every winter morning. Why is that?",
    "Which of the remedies would you try first if it must not cost anything?",
  ],
  [
    "household",
    "I want to tidy a garage that nobody has touched for ten years. Where do I begin?",
    "What should I do with the things that I cannot decide about?",
  ],
  [
    "cooking",
    "I have eggs, half a cabbage and some stale bread. What can I cook for two people tonight?",
    "One of us does not eat eggs, I just learned. What would you change?",
  ],
  [
    "cooking",
    "Why does rice stick to the bottom of my pot, and what can I do about it?",
    "Does the same advice hold for porridge?",
  ],
  [
    "cooking",
    "Explain how to bake a plain loaf of bread to someone who has never baked before.",
    "Now shorten this to a list that fits on a small card.",
  ],
  [
    "garden",
    "Which vegetables grow on a balcony that has sun in the morning only?",
    "Pick one of them and tell me what to do with it from month to month.",
  ],
  [
    "garden",
    "Slugs eat my lettuce every spring. What helps without poison?",
    "A neighbour says that coffee grounds help. What do you think of it?",
  ],
  [
    "garden",
    "When is the right time to prune an old apple tree, and how much may I cut?",
    "What happens to the tree if I miss that time by two months?",
  ],
  [
    "travel",
    "I have one free day in a town by the sea, and it will rain. How should I spend it?",
    "The rain stops at four in the afternoon. What would you add?",
  ],
  [
    "travel",
    "What do I need to pack for a week of walking from hut to hut in the mountains?",
    "My bag is three kilograms too heavy now. What can stay at home?",
  ],
  [
    "travel",
    "How can a family with two small children get through a train ride of eight hours?",
    "Suggest one game that needs neither paper nor a phone, and explain its rules.",
  ],
  [
    "letters",
    "Write a short letter to a landlord about a heater that has not worked for a week.",
    "Make it friendlier, because the landlord is an old man who is often ill.",
  ],
  [
    "letters",
    "Write a few lines to thank a teacher who is about to retire.",
    "Now write what the teacher may answer.",
  ],
  [
    "letters",
    "Help me to decline an invitation to a wedding without hurting anybody.",
    "Say the same in a single sentence that I can send as a message.",
  ],
  [
    "stories",
    "Begin a story about a baker who finds a key in a loaf of bread.",
    "Go on with it, and let it rain in the next part.",
  ],
  [
    "stories",
    "Describe a harbour early in the morning, so that one can hear and smell it.",
    "Describe the same place at midnight, through the eyes of a cat.",
  ],
  [
    "stories",
    "Invent an old saying about patience, and explain what it means.",
    "Tell a very short tale in which somebody learns it the hard way.",
  ],
  [
    "numbers",
    "A bus leaves every twelve minutes. I missed one four minutes ago. How long do I wait?",
    "And how long would I wait on average if I came at any time?",
  ],
  [
    "numbers",
    "Three friends share a bill of 84 coins, and one of them pays twice as much as each of the others. What does each pay?",
    "They now want to add a tip of one tenth. What does each pay then?",
  ],
  [
    "numbers",
    "A rope of nine metres is cut into pieces of seventy-five centimetres. How many pieces are there?",
    "How many cuts did that take, and why is it not the same number?",
  ],
  [
    "explanations",
    "Why is the sky red in the evening? Explain it to a child of six.",
    "The child asks why it is not green then. What do you say?",
  ],
  [
    "explanations",
    "What is the difference between weather and climate?",
    "Give me an example from everyday life that makes the difference plain.",
  ],
  [
    "explanations",
    "How does a refrigerator make things cold although it feels warm at its back?",
    "Would it cool the kitchen if I left its door open? Why?",
  ],
].map(([category = "", ...turns], index) => ({ id: index + 1, category, turns }));
