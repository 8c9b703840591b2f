# SPDX-License-Identifier: LGPL-2.1-or-later
# Draws an SVG beside each file of data that `bench --charts DIR` left: gnuplot -e "directory='DIR'" charts.gp
set terminal svg size 960,480 font "sans,12"
set datafile separator "\t"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8
set key outside top horizontal
set xtics rotate by -15
set yrange [0:*]
set grid ytics
do for [file in system(sprintf("ls '%s'/*.dat", directory))] {
	set output file[:strlen(file) - 4].".svg"
	set ylabel (file[strlen(file) - 6:] eq "-us.dat" ? "microseconds per operation" : "rate, echo = 1")
	plot for [i = 2:*] file using i:xtic(1) title columnheader(i)
}
