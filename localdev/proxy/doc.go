// Package proxy is what stands between API Gateway and functions: routes, and the Lambda proxy integrations, which
// make an invocation of a request and an answer of what the function returns.
package proxy
