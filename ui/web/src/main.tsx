// The app: theme, keys, time, then the shell with the page that the URL names.
import { render } from "preact";
import "./ui/tokens.css";
import "./ui/base.css";
import "./chart/chart.css";
import "./shell/shell.css";
import { startKeys } from "./lib/keys";
import { param, setParams, startRouter } from "./lib/router";
import { isBare, loadMe, tenantToName, toLogin } from "./lib/session";
import { startTheme } from "./lib/theme";
import { startClock } from "./lib/time";
import { fitDefaultRange } from "./lib/young";
import { watchPage } from "./lib/watch";
import { App } from "./shell/App";

startTheme();
startRouter();
startKeys();
startClock();
watchPage();
// Nobody waits for it: where no login is asked for the first picture needs none.
void loadMe().then((now) => {
  if (now?.login && !now.principal) toLogin();
  const tenant = tenantToName(now);
  if (tenant && !param("tenant") && !isBare()) setParams({ tenant }, { replace: true });
});
// The first question waits for it: a picture that jumps is worse than one that comes 20 ms later.
if (!isBare()) await Promise.race([fitDefaultRange(), new Promise((done) => setTimeout(done, 400))]);
render(<App />, document.getElementById("app")!);
