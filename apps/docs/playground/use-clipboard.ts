import { onScopeDispose, readonly, ref, type Ref } from "vue";

/** A clipboard that says what became of a copy. */
export interface SpokenClipboard {
  /** What there is to say at the moment; empty most of the time. */
  readonly said: Readonly<Ref<string>>;
  /** Says something for a while. */
  say(words: string): void;
  /** Copies a text, says how it went, and answers whether it was copied. */
  copy(text: string, words: { readonly copied: string; readonly refused: string }): Promise<boolean>;
}

/** Milliseconds that something is said for: the same words are announced again only after a silence. */
const PAUSE = 5000;

/** The clipboard of the browser, with a word on each copy. */
export function useClipboard(): SpokenClipboard {
  const said = ref("");
  let silence: ReturnType<typeof setTimeout> | undefined;

  function say(words: string): void {
    clearTimeout(silence);
    said.value = words;
    silence = setTimeout(() => {
      said.value = "";
    }, PAUSE);
  }

  onScopeDispose(() => {
    clearTimeout(silence);
  });

  return {
    said: readonly(said),
    say,
    copy: async (text, words) => {
      said.value = "";
      const isCopied = await write(text);
      say(isCopied ? words.copied : words.refused);
      return isCopied;
    },
  };
}

/** Whether the browser let the page copy the text: it may refuse, or have no clipboard to offer. */
async function write(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
