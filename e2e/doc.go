// Package e2e tests Nonstick from outside: it starts localdev in each of its setups and lets Node talk to
// it, with the official client, with a browser and with raw frames. It holds no code of the product.
//
// The setups go from one process with its store in memory to four processes on DynamoDB Local behind an
// nginx that is not sticky. What must be installed (Node, Chromium, nginx, Java) is what `make test`
// installs; what is missing fails the tests, nothing is skipped.
//
// Tests that wait most of the time run beside each other, after all others (t.Parallel). Those whose clients count on
// times of a second or less, or that measure, have the machine to themselves. The functions of the template are built
// once for all tests; TestDeploy has localdev build them.
package e2e
