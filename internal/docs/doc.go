// Package docs holds the rules about the documentation, as tests: what it points at is there, and what it says of
// versions and code is so.
package docs
