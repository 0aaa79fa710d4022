// Package imports holds the rules about which package of this module may link which, as tests.
package imports
