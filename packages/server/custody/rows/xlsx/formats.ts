/** The first and last of the built-in formats of numbers that show a date (ECMA-376 part 1, 18.8.30). */
const builtIn: readonly (readonly [number, number])[] = [
  [14, 22],
  [27, 36],
  [45, 47],
  [50, 58],
];
/** Those of them that show a time. */
const TIMED: readonly number[] = [18, 19, 20, 21, 22, 32, 33, 45, 46, 47, 55, 56];
const FORMAT_CHARS_MAX = 1_024;
const elapsed = /\[(?:h+|m+|s+)\]/i;
// Quoted texts, escaped characters, fillers, and what stands in brackets: colours, conditions, languages.
const silent = /"[^"]*"|\\.|[_*].|\[[^\]]*\]/g;

/** What a number stands for by its format: a day, or a day with a time; null for the number. */
export type DateFormat = 'day' | 'instant' | null;

/** What a format of numbers shows: one of the built-in ones, or the code that the workbook has for it. */
export function dateFormatOf(id: number, code: string | null): DateFormat {
  if (code === null) {
    const isDate = builtIn.some(([first, last]) => id >= first && id <= last);
    if (!isDate) return null;
    return TIMED.includes(id) ? 'instant' : 'day';
  }
  if (code.length > FORMAT_CHARS_MAX) return null;
  const shown = code.replace(silent, '').replace(/general/gi, '');
  if (elapsed.test(code) || /[hs]/i.test(shown)) return 'instant';
  return /[ymd]/i.test(shown) ? 'day' : null;
}
