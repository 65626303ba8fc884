import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Language } from './api.ts';
import type { Format } from './format.ts';
import { createFormat } from './format.ts';
import { nameTerm } from './language.ts';

/** The words and formats of the language the page is in. */
export function useWords() {
  const { t, i18n } = useTranslation();
  const language: Language = i18n.language === 'ur' ? 'ur' : 'en';
  const format: Format = useMemo(() => createFormat(language), [language]);
  return { t, language, format, term: (iri: string) => nameTerm(iri, language) };
}

/** A count for a sentence: `count` chooses the form, `n` is how it is written. */
export function counted(count: number, format: Format): { count: number; n: string } {
  return { count, n: format.number(count) };
}
