import type { Language } from './api.ts';

/** Dates, times and numbers as a language writes them; in Urdu with its own digits. */
export interface Format {
  number(value: number): string;
  date(time: number): string;
  shortDate(time: number): string;
  clock(time: number): string;
  dateTime(time: number): string;
  month(year: number, month: number): string;
  shortMonth(year: number, month: number): string;
  list(items: readonly string[]): string;
}

const LOCALES: Readonly<Record<Language, string>> = { en: 'en-GB', ur: 'ur-PK-u-nu-arabext' };

/** The formats of a language, in this device's time zone. */
export function createFormat(language: Language): Format {
  const locale = LOCALES[language];
  const dates = (options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(locale, options);
    return (time: number | Date) => format.format(time);
  };
  const numbers = new Intl.NumberFormat(locale);
  const lists = new Intl.ListFormat(locale, { type: 'conjunction' });
  const month = dates({ month: 'long', year: 'numeric' });
  const shortMonth = dates({ month: 'short' });
  return {
    number: (value) => numbers.format(value),
    date: dates({ day: 'numeric', month: 'long', year: 'numeric' }),
    shortDate: dates({ day: 'numeric', month: 'short', year: 'numeric' }),
    clock: dates({ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
    dateTime: dates({ dateStyle: 'long', timeStyle: 'short', hourCycle: 'h23' }),
    month: (year, index) => month(new Date(year, index, 1)),
    shortMonth: (year, index) => shortMonth(new Date(year, index, 1)),
    list: (items) => lists.format(items),
  };
}
