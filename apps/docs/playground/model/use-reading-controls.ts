import { computed, onScopeDispose, shallowRef, watch, type ComputedRef, type ShallowRef } from "vue";

import type { PolicySetting } from "../policy-setting.js";
import {
  DEFAULT_PARTICIPANTS,
  DEFAULT_SETTINGS,
  findSettingsProblem,
  modelChoice,
  type Settings,
} from "./settings.js";
import type { Reading } from "./use-reading.js";
import type { Participant } from "./worker-protocol.js";

/** Milliseconds without a change after which new settings are taken: a text is typed letter by letter. */
export const SETTLED = 250;

/** What a page does with a reading. */
export interface ReadingControls {
  /** What stands in the form. */
  readonly settings: ShallowRef<Settings>;
  /** Settings of the reading that is shown; the form may be ahead of it. */
  readonly opened: Readonly<ShallowRef<Settings>>;
  /** Why nothing can be read with what stands in the form; undefined when it can. */
  readonly problem: ComputedRef<string | undefined>;
  readonly participants: Readonly<ShallowRef<readonly Participant[]>>;
  add(setting: PolicySetting): void;
  remove(id: number): void;
  /** Begins again with what stands in the form; only pauses when that cannot be read. */
  reset(): void;
  /** Pauses what runs; else starts, with what stands in the form. */
  toggle(): void;
}

/** Opens a reading again whenever the form has settled; `book` is the text that is not the reader's own. */
export function useReadingControls(reading: Reading, book: string): ReadingControls {
  const settings = shallowRef(DEFAULT_SETTINGS);
  const opened = shallowRef(DEFAULT_SETTINGS);
  const participants = shallowRef(DEFAULT_PARTICIPANTS);
  const problem = computed(() => findSettingsProblem(settings.value));

  let settling: ReturnType<typeof setTimeout> | undefined;

  function reset(): void {
    clearTimeout(settling);
    settling = undefined;
    if (problem.value !== undefined) {
      reading.pause();
      return;
    }
    opened.value = settings.value;
    const { modelName, textSource, ownText, tokens, budget, stride } = settings.value;
    const modelUrl = modelChoice(modelName).model.url.href;
    const text = textSource === "own" ? ownText : book;
    reading.open({ modelUrl, text, mostTokens: tokens, budget, stride }, participants.value);
  }

  function toggle(): void {
    const { phase } = reading.state.value;
    if (phase === "reading") {
      reading.pause();
      return;
    }
    if (settling !== undefined || phase === "complete") reset();
    reading.run();
  }

  watch(settings, () => {
    clearTimeout(settling);
    settling = setTimeout(reset, SETTLED);
  });
  watch(participants, (chosen) => {
    reading.setParticipants(chosen);
  });
  onScopeDispose(() => {
    clearTimeout(settling);
  });

  return {
    settings,
    opened,
    problem,
    participants,
    add: (setting) => {
      const id = 1 + Math.max(-1, ...participants.value.map((one) => one.id));
      participants.value = [...participants.value, { id, setting }];
    },
    remove: (id) => {
      participants.value = participants.value.filter((one) => one.id !== id);
    },
    reset,
    toggle,
  };
}
