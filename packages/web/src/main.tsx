import { createRoot } from 'react-dom/client';
import { App } from './app.tsx';
import { startLanguage } from './language.ts';
import { chooseLanguage } from './route.ts';
import './styles/base.css';
import './styles/frame.css';
import './styles/person.css';
import './styles/print.css';

await startLanguage(chooseLanguage(location.search, navigator.languages));
createRoot(document.getElementById('root') as HTMLElement).render(<App />);
