import type { ReactNode } from 'react';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { DestroyedMonth, Instance, Language, Seals } from './api.ts';
import {
  fetchAgencies,
  fetchDestroyedMonths,
  fetchHoldings,
  fetchInstance,
  fetchSeals,
} from './api.ts';
import type { Directory } from './directory.ts';
import { createDirectory } from './directory.ts';
import { changeLanguage } from './language.ts';
import { LogPage } from './log/log-page.tsx';
import { Frame } from './parts/frame.tsx';
import type { ProblemCode } from './parts/problem.tsx';
import { Problem, problemOf } from './parts/problem.tsx';
import { PersonPage } from './person/person-page.tsx';
import type { PersonSession } from './person/session.ts';
import { RegisterPage } from './register/register-page.tsx';
import type { Page } from './route.ts';
import { hrefOf, pageOf } from './route.ts';
import { useWords } from './use-words.ts';

interface Start {
  readonly instance: Instance;
  readonly directory: Directory;
  readonly seals: Seals;
  readonly destroyed: readonly DestroyedMonth[];
}

/** The pages: what they share, and which of them is shown. */
export function App() {
  const { t, language } = useWords();
  const [page, setPage] = useState<Page>(() => pageOf(location.pathname));
  const [start, setStart] = useState<Start | ProblemCode | null>(null);
  const [session, setSession] = useState<PersonSession | null>(null);
  const main = useRef<HTMLElement>(null);

  const load = useCallback(async () => {
    setStart(null);
    try {
      const [instance, agencies, holdings, seals, destroyed] = await Promise.all([
        fetchInstance(),
        fetchAgencies(),
        fetchHoldings(),
        fetchSeals(),
        fetchDestroyedMonths(),
      ]);
      setStart({ instance, directory: createDirectory(agencies, holdings), seals, destroyed });
    } catch (error) {
      setStart(problemOf(error));
    }
  }, []);

  useEffect(() => {
    void load();
    const follow = () => setPage(pageOf(location.pathname));
    addEventListener('popstate', follow);
    return () => removeEventListener('popstate', follow);
  }, [load]);

  const title = t(`${page}.title`);
  useEffect(() => {
    document.title = `${title} · ${t('name')}`;
  }, [title, t]);

  const go = (to: Page) => {
    history.pushState(null, '', hrefOf(to, language));
    setPage(to);
    scrollTo(0, 0);
    // As a browser does after loading a page: reading starts at the top of the new one.
    main.current?.focus();
  };
  const speak = (to: Language) => {
    // Spelt out in the URL, as the settings of the browser may say otherwise.
    history.replaceState(null, '', `${location.pathname}?lang=${to}`);
    void changeLanguage(to);
  };

  const instance = start !== null && typeof start !== 'string' ? start.instance : null;
  let content: ReactNode;
  if (start === null) content = <p role="status">{t('wait.loading')}</p>;
  else if (typeof start === 'string') content = <Problem code={start} onAgain={load} />;
  else if (page === 'register') content = <RegisterPage {...start} />;
  else if (page === 'log') content = <LogPage instance={start.instance} />;
  else content = <PersonPage {...start} session={session} onSession={setSession} />;

  return (
    <Frame instance={instance} page={page} onPage={go} onLanguage={speak} mainRef={main}>
      {content}
    </Frame>
  );
}
