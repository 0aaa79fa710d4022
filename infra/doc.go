// Package infra has the tests of the template as CloudFormation gets it, after AWS's own transform: what a deployment
// is made of with each parameter that companies have to set. What the functions make of their parameters is tested in
// package functions.
package infra
