// Package proxy is what stands between API Gateway and functions: routes, and the Lambda proxy integrations, which
// make an invocation of a request and an answer of what the function returns; and the integration of a WebSocket route
// with a queue.
//
// [New] makes [Handlers] for the emulated API Gateway of package emulator out of a platform of package lambda, the
// queues of package queue, and routes, as package template reads them. What AWS says of the integrations:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
package proxy
