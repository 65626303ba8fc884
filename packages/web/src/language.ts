import i18next from 'i18next';
import { initReactI18next } from 'react-i18next';
import type { Language } from './api.ts';
import type { words as english } from './words/en.ts';

declare module 'i18next' {
  interface CustomTypeOptions {
    resources: { translation: typeof english };
  }
}

const termsOf: Partial<Record<Language, Readonly<Record<string, string>>>> = {};

/** Loads one language's words, which are a file of their own. */
async function loadWords(language: Language) {
  const { words, terms } =
    language === 'ur' ? await import('./words/ur.ts') : await import('./words/en.ts');
  termsOf[language] = terms;
  return words;
}

/** Starts the pages in a language. */
export async function startLanguage(language: Language): Promise<void> {
  const translation = await loadWords(language);
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: false,
    resources: { [language]: { translation } },
    interpolation: { escapeValue: false },
  });
  applyToDocument(language);
}

/** Changes the language of the pages as they are; nothing shown is lost. */
export async function changeLanguage(language: Language): Promise<void> {
  if (!i18next.hasResourceBundle(language, 'translation')) {
    i18next.addResourceBundle(language, 'translation', await loadWords(language));
  }
  await i18next.changeLanguage(language);
  applyToDocument(language);
}

/** The direction in which a language is written. */
export function directionOf(language: Language): 'ltr' | 'rtl' {
  return language === 'ur' ? 'rtl' : 'ltr';
}

/** A purpose, legal basis or category in words; what is not known is shown by the last part of its IRI. */
export function nameTerm(iri: string, language: Language): string {
  const known = termsOf[language];
  if (known !== undefined && Object.hasOwn(known, iri)) return known[iri] as string;
  const last = iri.split(/[#:/]/).at(-1) ?? iri;
  return last.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ');
}

function applyToDocument(language: Language): void {
  document.documentElement.lang = language;
  document.documentElement.dir = directionOf(language);
}
