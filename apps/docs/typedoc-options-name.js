import { Converter } from "typedoc";

/**
 * Calls a parameter that is taken apart in its signature `options`, where TypeDoc would write `__namedParameters`.
 *
 * @param {import("typedoc").Application} application
 */
export function load(application) {
  application.converter.on(Converter.EVENT_CREATE_PARAMETER, (_context, parameter) => {
    if (parameter.name === "__namedParameters") parameter.name = "options";
  });
}
