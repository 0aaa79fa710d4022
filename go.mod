module github.com/nonstick-io/nonstick

go 1.26.8
