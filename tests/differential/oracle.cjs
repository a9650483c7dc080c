// Judges tokens as users of aws-jwt-verify do: one JSON line in (first the pool, then {token}), one JSON line out.
"use strict";
const { createInterface } = require("node:readline");
const { createRequire } = require("node:module");
const { join } = require("node:path");

const { CognitoJwtVerifier } = createRequire(join(process.argv[2], "x.js"))("aws-jwt-verify");
let verifier;

createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  if (verifier === undefined) {
    Date.now = () => asked.now * 1000;
    verifier = CognitoJwtVerifier.create({ userPoolId: asked.pool, clientId: asked.client, tokenUse: null });
    verifier.cacheJwks(asked.jwks);
    return;
  }
  let refusal = null;
  try {
    verifier.verifySync(asked.token);
  } catch (error) {
    refusal = `${error.name}: ${error.message}`;
  }
  process.stdout.write(`${JSON.stringify({ refusal })}\n`);
});
