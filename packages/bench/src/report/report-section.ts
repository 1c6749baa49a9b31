/** What is said of one experiment on a terminal and in a report: plain text throughout. */
export interface ReportSection {
  /** What was measured, in a few words. */
  readonly title: string;
  /** On what, and how much of it: a sentence. */
  readonly lead: string;
  /** What comes of it, a sentence each. */
  readonly verdicts: readonly string[];
  /** What the reader has to know of this very run: warnings, failures, what is missing. */
  readonly notes: readonly string[];
  /** Charts, in the order shown. The numbers behind each stand in a table of their own under it. */
  readonly charts: readonly Chart[];
  /** Tables, in the order shown. */
  readonly tables: readonly TextTable[];
  /** How the figures are defined, one entry a term. */
  readonly definitions: readonly Definition[];
  /** What cannot be concluded. */
  readonly limits: readonly string[];
  /** Settings of the experiment, beside model, machine and versions. */
  readonly settings: readonly (readonly [name: string, value: string])[];
}

/** A term and its meaning. */
export interface Definition {
  /** The term, as it stands in a table or chart. */
  readonly term: string;
  /** Its meaning: a phrase that begins with a small letter. */
  readonly meaning: string;
}

/** A table as text. The first column names the row; the others are numbers or short words, unless they are sentences. */
export interface TextTable {
  /** What the cells hold: `figures` stand on the right in one line, `sentences` on the left, and are broken. Defaults to `figures`. */
  readonly cells?: "figures" | "sentences" | undefined;
  /** What the table shows. */
  readonly caption: string;
  /** Column titles. */
  readonly columns: readonly string[];
  /** Cells by row. */
  readonly rows: readonly (readonly string[])[];
}

/** Lines or points over a continuous axis. */
export interface Chart {
  /** What is drawn, in a few words. */
  readonly title: string;
  /** What is drawn, with what has to be known to read it. */
  readonly caption: string;
  /** Horizontal axis. */
  readonly x: ChartAxis;
  /** Vertical axis. */
  readonly y: ChartAxis;
  /** What is drawn: at most a dozen, told apart by colour and dashes. A series without points is left out. */
  readonly series: readonly ChartSeries[];
  /** Rules across the chart, with a label. Those outside of what is drawn are left out. */
  readonly rules?: readonly ChartRule[] | undefined;
}

/** An axis of a {@link Chart}. */
export interface ChartAxis {
  /** Title, with the unit in brackets. */
  readonly title: string;
  /** Scale. A logarithmic one takes positive values only. */
  readonly scale: "linear" | "log";
}

/** A line, or points, of a {@link Chart}. */
export interface ChartSeries {
  /** Name in the legend; two of a chart differ. */
  readonly name: string;
  /** Whether its points are joined. Defaults to `line`. */
  readonly mark?: "line" | "line-with-points" | "points" | undefined;
  /** The points, by growing x where they are joined. `lower` and `upper` are the bounds of an interval of 95 %. `label` stands beside it. */
  readonly points: readonly {
    readonly x: number;
    readonly y: number;
    readonly lower?: number | undefined;
    readonly upper?: number | undefined;
    readonly label?: string | undefined;
  }[];
}

/** A rule across a {@link Chart}. */
export interface ChartRule {
  /** Which axis it stands on. */
  readonly axis: "x" | "y";
  /** Where. */
  readonly at: number;
  /** What it marks. */
  readonly label: string;
}
