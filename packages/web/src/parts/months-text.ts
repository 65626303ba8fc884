import type { TFunction } from 'i18next';
import type { Format } from '../format.ts';
import { counted } from '../use-words.ts';

/** A number of months in words: in years where they are whole. */
export function monthsText(months: number, t: TFunction, format: Format): string {
  return months % 12 === 0
    ? t('time.years', counted(months / 12, format))
    : t('time.months', counted(months, format));
}
