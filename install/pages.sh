# Man pages and completions: a version has them in its share/, and where man and the shells look
# there are links to those of the version in use. Another's file of that name stays.
# shellcheck shell=sh

pages='man/man1/chat.1 man/man8/chatd.8 man/man5/chatd.toml.5
    bash-completion/completions/chat zsh/site-functions/_chat fish/vendor_completions.d/chat.fish'

make_pages() { # of $new
    for page in $pages; do
        run mkdir -p "$new/share/${page%/*}" || return
        case $page in
            man/*) run cp "docs/man/${page##*/}" "$new/share/$page" ;;
            bash*) make_completion bash "$page" ;;
            zsh*) make_completion zsh "$page" ;;
            fish*) make_completion fish "$page" ;;
        esac || return
    done
}

make_completion() { # SHELL PAGE
    script=''
    [ -n "$dry" ] || script=$("$new/bin/python3" -I -m chat_cli completion "$1") || return
    printf '%s\n' "$script" | put "$new/share/$2"
}

link_pages() {
    for page in $pages; do
        link=${bin%/bin}/share/$page
        is_our_page "$page" || {
            [ ! -e "$link" ] && [ ! -L "$link" ] || continue
            changed=yes
            make_directory "${link%/*}"
            run ln -s "$home/current/share/$page" "$link" || return
        }
    done
}

unlink_pages() {
    for page in $pages; do
        ! is_our_page "$page" || run rm -f "${bin%/bin}/share/$page"
    done
}

is_our_page() { # PAGE
    [ "$(readlink "${bin%/bin}/share/$1" || :)" = "$home/current/share/$1" ]
}
