// Asks the emulated services for the errors of a table, with the AWS SDK for JavaScript.
//
//   node sdks.mjs URL CASES
//
// CASES is a file of JSON, with what a case is called, what it calls, and the parameters. One line of JSON comes out for each case: the
// name of the error that a user looks at, and whether it is of the class of that name. SQS is asked in the query protocol too, with the
// SDK as it was before the end of 2023.
import { readFileSync } from "node:fs";
import * as apigatewaymanagementapi from "@aws-sdk/client-apigatewaymanagementapi";
import * as lambda from "@aws-sdk/client-lambda";
import * as sqs from "@aws-sdk/client-sqs";
import * as query from "client-sqs-query";

const [url, cases] = process.argv.slice(2);
const modules = { apigatewaymanagementapi, lambda, sqs };
const clients = { apigatewaymanagementapi: "ApiGatewayManagementApiClient", lambda: "LambdaClient", sqs: "SQSClient" };

async function ask(by, sdk, c) {
  const client = new sdk[clients[c.service]]({
    endpoint: c.service === "apigatewaymanagementapi" ? `${url}/${c.stage ?? "v1"}` : url, // that of a management API has its stage
    region: "us-east-1", maxAttempts: 1, credentials: { accessKeyId: "local", secretAccessKey: "local", sessionToken: c.token },
  });
  const answer = { by, name: c.name, query: sdk === query };
  try {
    await client.send(new sdk[`${c.operation}Command`](c.parameters));
    answer.message = "nothing was thrown";
  } catch (error) {
    const own = sdk[error.name];
    Object.assign(answer, { js: error.name, ofItsClass: own === undefined || error instanceof own, message: error.message });
  }
  client.destroy();
  console.log(JSON.stringify(answer));
}

for (const c of JSON.parse(readFileSync(cases))) {
  await ask("the SDK for JavaScript", modules[c.service], c);
  if (c.service === "sqs" && query[`${c.operation}Command`]) await ask("the SDK for JavaScript, by queries", query, c);
}
