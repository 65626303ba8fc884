import type { Language } from './api.ts';

/** The pages there are. */
export type Page = 'person' | 'register' | 'log';

const PATHS: Readonly<Record<Page, string>> = { person: '/', register: '/register', log: '/log' };

/** The page of a path; the person's own for any other. */
export function pageOf(pathname: string): Page {
  const path = pathname.length > 1 ? pathname.replace(/\/+$/, '') : pathname;
  const found = (Object.keys(PATHS) as Page[]).find((page) => PATHS[page] === path);
  return found ?? 'person';
}

/** Where a page is in a language. The language is all that a URL of ours ever says about who looks. */
export function hrefOf(page: Page, language: Language): string {
  return language === 'en' ? PATHS[page] : `${PATHS[page]}?lang=${language}`;
}

/** The language asked for by the URL, else by the browser's settings, else English. */
export function chooseLanguage(search: string, preferred: readonly string[]): Language {
  const asked = new URLSearchParams(search).get('lang');
  if (asked === 'ur' || asked === 'en') return asked;
  const first = preferred.map((tag) => tag.slice(0, 2).toLowerCase());
  return first.find((tag) => tag === 'en' || tag === 'ur') === 'ur' ? 'ur' : 'en';
}
