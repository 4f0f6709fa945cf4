// A user, and what she does in her browser.

import { Browser } from "./browser.mjs";

/** Nobody listens here: the browser stops before it. */
export const CALLBACK = "http://127.0.0.1:65535/callback";

const PASSWORD = "a few unrelated words";

/** Adds a user, whose one-time password is still to be replaced. */
export async function addUser(server, login) {
  const added = await server.administer("user", "add", login, "--name", login.toUpperCase(), "--role", "User");
  return { login, password: added.password ?? added.one_time_password, sub: added.user?.id ?? added.id };
}

/** Logs in at the login page, with a password of her own from the first time on. */
export async function logIn(browser, user) {
  await browser.submit("Log in", { fill: { login: user.login, password: user.password } });
  if (browser.page?.includes('name="again"')) {
    user.password = PASSWORD;
    await browser.submit("Set the password", { fill: { new: PASSWORD, again: PASSWORD } });
  }
}

/** Follows an authorization request through login and consent; the address at the client that it ends at. */
export async function authorize(address, user, { untick = [], button = "Allow", browser = new Browser(CALLBACK) } = {}) {
  await browser.go(address);
  if (browser.page?.includes('name="password"')) await logIn(browser, user);
  if (browser.page?.includes('name="decision"')) await browser.submit(button, { untick });
  if (browser.page !== undefined) throw new Error(`stopped at ${browser.url}: ${browser.page}`);
  return browser.url;
}
