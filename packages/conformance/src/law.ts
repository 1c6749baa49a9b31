import { Breach, messageOf } from "./breach.js";
import type { SuiteSubject } from "./runner.js";

/** A law: what everyone of a kind must do, and how to find out whether a subject does it. */
export interface Law<Subject> {
  /** What it is about. Laws of one group stand together, and can be skipped together. */
  readonly group: string;
  /** What the subject does, as a short sentence: who breaks the law does not. Unique in its suite. */
  readonly name: string;
  /** What goes wrong for users when it is broken. */
  readonly why: string;
  /** What it takes of a subject, in words that `skip` knows: `nll`, `reindex`, `oracle` … */
  readonly needs: readonly string[];
  /**
   * Whether it is about a subject at all: nobody is held to what they do not promise. A subject that fails when it is asked is
   * concerned, so that the law fails and says so.
   */
  concerns(subject: Subject): boolean;
  /** What it takes to try it on a subject and is lacking, in words; `undefined` when nothing is. */
  unmet(subject: Subject): string | undefined;
  /**
   * Tries the law on a subject.
   *
   * @throws {LawBroken} when the subject breaks it, with what the subject itself threw as the cause, if anything.
   */
  check(subject: Subject): Promise<void>;
}

/** A law is broken. The message says how; a random case comes with the seed that repeats it. */
export class LawBroken extends Error {
  /** Name of the law. */
  readonly law: string;
  /** What was measured, for a law with a tolerance. */
  readonly measured: number | undefined;
  /** The most that it may be. */
  readonly tolerance: number | undefined;

  constructor(
    law: string,
    problem: string,
    options: {
      readonly measured?: number | undefined;
      readonly tolerance?: number | undefined;
      readonly cause?: unknown;
    } = {},
  ) {
    super(
      `The law "${law}" is broken: ${problem}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.name = "LawBroken";
    this.law = law;
    this.measured = options.measured;
    this.tolerance = options.tolerance;
  }
}

/**
 * Which of some laws a subject breaks: for tests of a suite itself, which try it on subjects with a known fault. Laws that do
 * not concern the subject, lack what they take, or are skipped by it are left out.
 */
export async function brokenLaws<Subject extends Pick<SuiteSubject, "skip">>(
  laws: readonly Law<Subject>[],
  subject: Subject,
): Promise<LawBroken[]> {
  const broken: LawBroken[] = [];
  for (const law of laws) {
    if (!law.concerns(subject) || reasonToSkip(law, subject) !== undefined) continue;
    try {
      await law.check(subject);
    } catch (error) {
      if (!(error instanceof LawBroken)) throw error;
      broken.push(error);
    }
  }
  return broken;
}

/**
 * Why a law is not tried on a subject that it concerns: the subject's own reason, for the law, its group or what it needs, or
 * the law's.
 */
export function reasonToSkip<Subject extends Pick<SuiteSubject, "skip">>(
  law: Law<Subject>,
  subject: Subject,
): string | undefined {
  const { skip = {} } = subject;
  const reasons = [law.name, law.group, ...law.needs].map((skipped) => skip[skipped]);
  return reasons.find((reason) => reason !== undefined) ?? law.unmet(subject);
}

/** What {@link defineLaw} takes: a law of which only the check is needed, which throws what it likes. */
export interface LawDefinition<Subject> extends Omit<Law<Subject>, "needs" | "concerns" | "unmet" | "check"> {
  /** Left out, it takes nothing but the subject. */
  readonly needs?: readonly string[];
  /** Left out, it concerns every subject. */
  readonly concerns?: (subject: Subject) => boolean;
  /** Left out, nothing is lacking. */
  readonly unmet?: (subject: Subject) => string | undefined;
  /** Tries the law: whatever it throws breaks it. */
  readonly check: (subject: Subject) => Promise<void> | void;
}

/** Makes a law whose every failure, whatever was thrown, is a {@link LawBroken}. */
export function defineLaw<Subject>({
  needs = [],
  concerns = () => true,
  unmet = () => undefined,
  check,
  ...law
}: LawDefinition<Subject>): Law<Subject> {
  return {
    ...law,
    needs,
    concerns: (subject) => {
      try {
        return concerns(subject);
      } catch {
        // The check meets the same failure, and reports it.
        return true;
      }
    },
    unmet,
    check: async (subject) => {
      try {
        concerns(subject);
        await check(subject);
      } catch (error) {
        const { measured, tolerance, cause } =
          error instanceof Breach ? error : { measured: undefined, tolerance: undefined, cause: error };
        throw new LawBroken(law.name, messageOf(error), { measured, tolerance, cause });
      }
    },
  };
}
